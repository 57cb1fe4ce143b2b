// Plural forms by the rules of CLDR, as Intl.PluralRules knows them.

export type Forms = Partial<Record<Intl.LDMLPluralRule, string>> & { other: string };

/** @returns a function that chooses the form for `n` and puts the number for `#`. */
export function plurals(language: string): (n: number, forms: Forms) => string {
  const rules = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  return (n, forms) => (forms[rules.select(n)] ?? forms.other).replace("#", numbers.format(n));
}
