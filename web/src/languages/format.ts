// Times, numbers and lists as the language writes them.
import type { Dictionary } from "./en";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

export interface Format {
  /** 14:05 */
  time(at: number): string;
  /** In a list: the time today, the weekday this week, else the date. */
  short(at: number, now?: number): string;
  /** Above a day's messages: today, yesterday, the weekday, else the whole date. */
  day(at: number, now?: number): string;
  /** Day and time in full. */
  full(at: number): string;
  /** Relative: 5 minutes ago, yesterday. */
  ago(at: number, now?: number): string;
  /** 1:05 */
  clock(durationMs: number): string;
  /** 3 days, 5 minutes: the largest unit that fits. */
  span(seconds: number): string;
  bytes(count: number): string;
  number(count: number): string;
  list(words: string[]): string;
}

export function formatFor(language: string, words: Dictionary): Format {
  const time = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });
  const weekday = new Intl.DateTimeFormat(language, { weekday: "long" });
  const shortWeekday = new Intl.DateTimeFormat(language, { weekday: "short" });
  const date = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
  const dateOfYear = new Intl.DateTimeFormat(language, { day: "2-digit", month: "2-digit", year: "2-digit" });
  const longDate = new Intl.DateTimeFormat(language, { day: "numeric", month: "long", year: "numeric" });
  const full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const list = new Intl.ListFormat(language, { type: "conjunction" });
  const number = new Intl.NumberFormat(language);
  // A message's time is asked for twice, and that of its neighbours is often the same.
  let [minute, told] = [NaN, ""];
  const timeOf = (at: number) => {
    const now = Math.floor(at / MINUTE_MS);
    if (now !== minute) [minute, told] = [now, time.format(at)];
    return told;
  };
  return {
    time: timeOf,
    short(at, now = Date.now()) {
      const days = daysBetween(at, now);
      if (days <= 0) return timeOf(at);
      if (days === 1) return words.time.yesterday;
      if (days < 7) return shortWeekday.format(at);
      return sameYear(at, now) ? date.format(at) : dateOfYear.format(at);
    },
    day(at, now = Date.now()) {
      const days = daysBetween(at, now);
      if (days === 0) return words.time.today;
      if (days === 1) return words.time.yesterday;
      return days > 0 && days < 7 ? weekday.format(at) : longDate.format(at);
    },
    full: (at) => full.format(at),
    ago(at, now = Date.now()) {
      const minutes = Math.round((at - now) / MINUTE_MS);
      if (Math.abs(minutes) < 1) return words.time.now;
      if (Math.abs(minutes) < 60) return relative.format(minutes, "minute");
      if (Math.abs(minutes) < 24 * 60) return relative.format(Math.round(minutes / 60), "hour");
      return relative.format(-daysBetween(at, now), "day");
    },
    clock(durationMs) {
      const seconds = Math.max(0, Math.round(durationMs / 1000));
      const parts = [Math.floor(seconds / 60) % 60, seconds % 60].map((part, i) => (i ? String(part).padStart(2, "0") : String(part)));
      const hours = Math.floor(seconds / 3600);
      return hours ? `${hours}:${parts[0]!.padStart(2, "0")}:${parts[1]}` : parts.join(":");
    },
    span(seconds) {
      const [unit, length] = UNITS.find(([, length]) => seconds >= length) ?? ["second", 1];
      return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(Math.round(seconds / length));
    },
    bytes(count) {
      const [unit, size] = SIZES.find(([, size]) => count >= size) ?? ["byte", 1];
      return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: size === 1 ? "long" : "short", maximumFractionDigits: size === 1 ? 0 : 1 }).format(count / size);
    },
    number: (count) => number.format(count),
    list: (items) => list.format(items),
  };
}

/** Numbers and addresses inside of a text that may run from right to left. */
export function leftToRight(text: string): string {
  return `\u2066${text}\u2069`;
}

/** How many midnights lie between the two, in local time. */
export function daysBetween(at: number, now: number): number {
  return Math.round((midnight(now) - midnight(at)) / DAY_MS);
}

const UNITS: [string, number][] = [["day", 86_400], ["hour", 3600], ["minute", 60], ["second", 1]];
const SIZES: [string, number][] = [["gigabyte", 1e9], ["megabyte", 1e6], ["kilobyte", 1e3]];

// Messages that stand together are of one day mostly.
let [dayBegins, dayEnds] = [0, 0];
function midnight(at: number): number {
  if (at < dayBegins || at >= dayEnds) {
    dayBegins = new Date(at).setHours(0, 0, 0, 0);
    dayEnds = new Date(dayBegins).setHours(24, 0, 0, 0);
  }
  return dayBegins;
}

function sameYear(a: number, b: number): boolean {
  return new Date(a).getFullYear() === new Date(b).getFullYear();
}
