// RFC 9106, fetched when a passphrase is needed: a module of its own, so that nothing else of the library comes along.

export { argon2id } from "hash-wasm";
