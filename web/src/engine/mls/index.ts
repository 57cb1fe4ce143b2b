// RFC 9420 (MLS) by ts-mls, behind a small interface: state in, new state and bytes out.

export * from "./types";
export { accountNumber, accountOfNumber, isAccountId } from "./account-id";
export { certify, decodeDeviceList, encodeDeviceList, newAccountKey, newDevice, vouchesFor } from "./device-list";
export { commit, commitEpoch, found, joinByWelcome, joinExternally, process, type Changes } from "./group";
export { newHpkeKey, openWith, sealTo, type HpkeKey, type HpkeSealed } from "./hpke";
export { newKeyPackage, readKeyPackage } from "./key-packages";
export { exporter, isOwn, messageEpoch, MESSAGE_BYTES_MAX, open, seal } from "./messages";
export { isSameSafetyNumber, safetyNumber, type KeyHolder } from "./safety-number";
export { isSameLeaf, leaves, members, messagesInEpoch, PAST_EPOCHS } from "./state";
export { isEqual } from "./suite";
export { load, loadKeyPackage, store, storeKeyPackage } from "./stored";
