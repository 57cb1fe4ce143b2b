// In place of what only pages need, and of ciphers that no conversation has: in a service worker all is in one script.

import { Refusal } from "../engine/refusal";

throw new Refusal("interrupted", "a page is to make it");
