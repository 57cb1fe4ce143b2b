// The limits of docs/protocol/envelope.md. Lengths of text are in bytes of UTF-8.

export const ENVELOPE_BYTES_MAX = 65_536;
export const TEXT_BYTES_MAX = 16_384;
export const CAPTION_BYTES_MAX = 4_096;
export const MENTIONS_MAX = 64;
export const URL_BYTES_MAX = 2_048;
export const LINK_TITLE_BYTES_MAX = 512;
export const LINK_TEXT_BYTES_MAX = 1_024;
export const LINK_PICTURE_BYTES_MAX = 32_768;
export const FILE_NAME_BYTES_MAX = 255;
export const FILE_TYPE_BYTES_MAX = 127;
export const THUMBNAIL_BYTES_MAX = 4_096;
/** Of a file: 2 GiB. */
export const FILE_BYTES_MAX = 2 ** 31;
/** Width or height. */
export const PIXELS_MAX = 65_535;
/** Of a film or a voice note: a day. */
export const DURATION_MS_MAX = 86_400_000;
export const WAVEFORM_POINTS_MAX = 128;
export const QUESTION_BYTES_MAX = 512;
export const CHOICES_MIN = 2;
export const CHOICES_MAX = 12;
export const CHOICE_BYTES_MAX = 256;
export const NAME_BYTES_MAX = 256;
export const ABOUT_BYTES_MAX = 512;
/** Of a group. */
export const DESCRIPTION_BYTES_MAX = 4_096;
export const NUMBERS_MAX = 8;
export const NUMBER_BYTES_MAX = 32;
/** Of what a reply shows of the message that it answers. */
export const PREVIEW_BYTES_MAX = 256;
export const EMOJI_BYTES_MAX = 64;
/** The shortest and the longest life of a message: five seconds, a year. */
export const LIFE_S_MIN = 5;
export const LIFE_S_MAX = 31_536_000;
/** Messages that one entry of the own devices names. */
export const IDS_MAX = 250;
export const COLOUR_BYTES_MAX = 32;
export const WALLPAPER_BYTES_MAX = 64;
/** Of a device's id. */
export const DEVICE_BYTES_MAX = 255;
/** Of what says where a portion of a history is. */
export const PARCEL_BYTES_MAX = 1_024;
