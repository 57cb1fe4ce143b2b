// An account's id: 60 bits as 12 characters of Crockford's base32 in lower case.

export function isAccountId(text: string): boolean {
  return /^[0-9a-hjkmnp-tv-z]{12}$/.test(text);
}

/** Its 60 bits. */
export function accountNumber(id: string): bigint {
  if (!isAccountId(id)) throw new RangeError(`${id} is no account's id`);
  return [...id].reduce((number, digit) => (number << 5n) | BigInt(ALPHABET.indexOf(digit)), 0n);
}

export function accountOfNumber(number: bigint): string {
  return Array.from({ length: DIGITS }, (_, at) => {
    return ALPHABET[Number((number >> BigInt(5 * (DIGITS - 1 - at))) & 31n)];
  }).join("");
}

const DIGITS = 12;
const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
