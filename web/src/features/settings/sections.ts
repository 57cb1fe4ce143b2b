// The sections of the settings, in their order.
import ArchiveRestore from "@lucide/svelte/icons/archive-restore";
import Bell from "@lucide/svelte/icons/bell";
import Database from "@lucide/svelte/icons/database";
import KeyRound from "@lucide/svelte/icons/key-round";
import Keyboard from "@lucide/svelte/icons/keyboard";
import Languages from "@lucide/svelte/icons/languages";
import LockKeyhole from "@lucide/svelte/icons/lock-keyhole";
import Lock from "@lucide/svelte/icons/lock";
import MessageCircle from "@lucide/svelte/icons/message-circle";
import MonitorSmartphone from "@lucide/svelte/icons/monitor-smartphone";
import Palette from "@lucide/svelte/icons/palette";
import User from "@lucide/svelte/icons/user";
import type { LucideIcon } from "@lucide/svelte";

export const SECTIONS = ["profile", "account", "devices", "privacy", "lock", "notifications", "chats", "backup", "appearance", "language", "storage", "shortcuts"] as const;
export type SectionName = (typeof SECTIONS)[number];

export const SECTION_ICONS: Record<SectionName, LucideIcon> = {
  profile: User, account: KeyRound, devices: MonitorSmartphone, privacy: Lock, lock: LockKeyhole, notifications: Bell,
  chats: MessageCircle, backup: ArchiveRestore, appearance: Palette, language: Languages, storage: Database, shortcuts: Keyboard,
};
