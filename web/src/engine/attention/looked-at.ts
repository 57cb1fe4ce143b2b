/** Each page that is looked at holds this Web Lock, with others: it goes with a page that crashes. */
export const LOOKED_AT = "whimbrel-looked-at";
