// What stands behind an address, found by the server: pages may not look at other sites themselves
// (docs/protocol/link-previews.md).

import type { AccountApi, FetchedLink } from "../account/api";
import { LINK_TEXT_BYTES_MAX, LINK_TITLE_BYTES_MAX, URL_BYTES_MAX } from "../content/limits";
import { cutText, utf8Length } from "../content/fields";
import type { Part } from "../parts";
import type { FoundLink } from "../protocol";
import { Refusal } from "../refusal";

export class Links implements Part<"linkPreview"> {
  readonly #api: Pick<AccountApi, "linkPreview">;

  constructor(api: Pick<AccountApi, "linkPreview">) {
    this.#api = api;
  }

  readonly commands: Part<"linkPreview">["commands"] = {
    linkPreview: (url) => this.#find(url),
  };

  async #find(url: string): Promise<FoundLink | null> {
    if (!/^https?:\/\//i.test(url) || !URL.canParse(url) || utf8Length(url) > URL_BYTES_MAX) return null;
    try {
      return found(url, await this.#api.linkPreview(url));
    } catch (error) {
      // The site has nothing, or the server looks nothing up.
      if (error instanceof Refusal && NOTHING.has(error.name)) return null;
      throw error;
    }
  }
}

// It stands in the message under the address that was written, wherever that led to.
function found(url: string, { title, description, image }: FetchedLink): FoundLink | null {
  if (typeof title !== "string" || typeof description !== "string" || title === "") return null;
  return {
    url,
    title: cutText(title, LINK_TITLE_BYTES_MAX),
    text: cutText(description, LINK_TEXT_BYTES_MAX),
    ...(image && { image: new Blob([bytesOf(image.content)], { type: image.type }) }),
  };
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

const NOTHING = new Set(["no-preview", "previews-off", "url"]);
