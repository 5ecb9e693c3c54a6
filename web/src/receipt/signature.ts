// Ed25519: the browser's own where it has it (a long lease has tens of thousands of records), else
// in script. Both refuse what libsodium refuses on honest input; neither sends anything anywhere.
import { ed25519 } from '@noble/curves/ed25519';

export type Verify = (key: Uint8Array, message: Uint8Array, signature: Uint8Array) => Promise<boolean>;

export const verify_in_script: Verify = async (key, message, signature) => {
  if (key.length !== 32 || signature.length !== 64) return false;
  try {
    return ed25519.verify(signature, message, key, { zip215: false }); // RFC 8032, strictly
  } catch {
    return false;
  }
};

const buffer = (bytes: Uint8Array) => new Uint8Array(bytes) as Uint8Array<ArrayBuffer>;

// Null where the browser has none: old ones, and pages over plain HTTP from another machine.
export function native_verify(): Verify | null {
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  if (!subtle) return null;
  const keys = new Map<string, Promise<CryptoKey>>();
  return async (key, message, signature) => {
    if (key.length !== 32 || signature.length !== 64) return false;
    const name = key.join();
    let imported = keys.get(name);
    if (!imported) keys.set(name, (imported = subtle.importKey('raw', buffer(key), 'Ed25519', false, ['verify'])));
    return subtle.verify('Ed25519', await imported, buffer(signature), buffer(message));
  };
}

// The native one, unless it does not know Ed25519 after all.
export async function best_verify(): Promise<Verify> {
  const native = native_verify();
  if (!native) return verify_in_script;
  try {
    await native(new Uint8Array(32).fill(1), new Uint8Array(), new Uint8Array(64));
    return native;
  } catch {
    return verify_in_script;
  }
}
