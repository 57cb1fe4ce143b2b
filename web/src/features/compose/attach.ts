// What can be sent beside text.
import Camera from "@lucide/svelte/icons/camera";
import BarChart from "@lucide/svelte/icons/chart-bar";
import Contact from "@lucide/svelte/icons/contact-round";
import FileText from "@lucide/svelte/icons/file-text";
import Image from "@lucide/svelte/icons/image";
import MapPin from "@lucide/svelte/icons/map-pin";
import type { App } from "../../app/context";
import { openMenu } from "../../components/menu";
import type { Chat, Draft } from "../../engine/protocol";
import { attempt } from "../chats/actions";
import type { Conversation } from "../conversation/conversation.svelte";
import { offerFiles, pickFiles } from "./files";

export function openAttachMenu(at: HTMLElement, chat: Chat, conversation: Conversation, app: App, sent: () => void): void {
  const { words } = app;
  const offer = (files: File[]) => offerFiles(files, chat, app, conversation, sent);
  const files = async (accept: string, capture = false) => offer(await pickFiles(accept, { several: !capture, capture }));
  // A phone's own camera can more than a page.
  const camera = async () => {
    if (matchMedia("(pointer: coarse)").matches) return files("image/*,video/*", true);
    await attempt(app, async () => app.dialogs.lay((await import("./CameraDialog.svelte")).default, { taken: (photo) => void offer([photo]) }));
  };
  const send = async (content: Draft["content"]) => {
    const { reply } = conversation;
    conversation.reply = null;
    if (await attempt(app, () => app.session.call("send", chat.id, { content, ...(reply ? { reply: reply.id } : {}) }))) sent();
  };
  openMenu(at, words.compose.attach, [
    { label: words.compose.photos, icon: Image, run: () => void files("image/*,video/*") },
    { label: words.compose.camera, icon: Camera, run: () => void camera() },
    { label: words.compose.document, icon: FileText, run: () => void files("") },
    // Other XMPP clients know no polls.
    ...(chat.isOpen ? [] : [{ label: words.compose.poll, icon: BarChart, run: () => void lay(app, () => import("./PollDialog.svelte"), send) }]),
    { label: words.compose.location, icon: MapPin, run: () => void lay(app, () => import("./PlaceDialog.svelte"), send) },
    { label: words.compose.contact, icon: Contact, run: () => void lay(app, () => import("./ContactDialog.svelte"), send) },
  ]);
}

type Sender = (content: Draft["content"]) => Promise<void>;

async function lay(app: App, load: () => Promise<{ default: import("svelte").Component<{ send: Sender; close: () => void }> }>, send: Sender): Promise<void> {
  await attempt(app, async () => app.dialogs.lay((await load()).default, { send }));
}
