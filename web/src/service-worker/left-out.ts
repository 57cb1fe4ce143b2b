// In place of @serenity-kit/opaque, which is larger than all else and needed by backups alone: pages make those.

import { Refusal } from "../engine/refusal";

export const ready = Promise.reject(new Refusal("interrupted", "a page is to make it"));
ready.catch(() => undefined);
