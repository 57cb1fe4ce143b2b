// What page and service worker say to one another.

/** The service worker asks a page, which answers by a {@link SealedAt} or nothing. */
export interface Asked {
  type: "file";
  id: string;
}

/** A page says that no file may be shown any more. */
export interface Said {
  type: "forget";
}

/** Addresses that the service worker answers begin so. */
export const FILES = "/file/";
