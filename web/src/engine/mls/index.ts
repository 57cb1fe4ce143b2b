// RFC 9420 (MLS) by ts-mls, behind a small pure interface.
//
//   found(device, group)                              -> { state, groupInfo }
//   joinByWelcome(device, packages, welcome, tree)    -> { state, used }
//   joinExternally(device, groupInfo, tree)           -> Commit
//   commit(state, { add, remove })                    -> Commit
//   process(state, handshake, atS)                    -> Processed
//   seal(state, bytes)                                -> { state, message }
//   open(state, message)                              -> Opened
//   exporter(state, label, context, length)           -> bytes
//   members(state)                                    -> Leaf[]
//   store(state, before?), load(stored)               -> only the parts that changed; and back
//   newDevice, newAccountKey, certify, encodeDeviceList, decodeDeviceList, safetyNumber

export * from "./types";
