/**
 * Files that `bun build --compile` puts into the executable. They are made by the set-up (setup/main.ts) before it
 * compiles; run from source, they are read from build/embedded/. Imported lazily: most commands need none.
 */

/** The guest agent, a static executable. */
export async function embeddedAgent(): Promise<Uint8Array> {
  const { default: path } = await import('../../build/embedded/kata-agent', { with: { type: 'file' } })
  return Bun.file(path).bytes()
}

/** The guest's libsystemd.so.0 (src/guest-image/native/libsystemd-stub.c). */
export async function embeddedSystemdStub(): Promise<Uint8Array> {
  const { default: path } = await import('../../build/embedded/libsystemd-stub.so', {
    with: { type: 'file' },
  })
  return Bun.file(path).bytes()
}

/** A static busybox, the root file system for `kata-ts run` without one. */
export async function embeddedBusybox(): Promise<Uint8Array> {
  const { default: path } = await import('../../build/embedded/busybox', { with: { type: 'file' } })
  return Bun.file(path).bytes()
}

/** Process 1 of containers with --init, a static executable (src/guest-image/container-init). */
export async function embeddedContainerInit(): Promise<Uint8Array> {
  const { default: path } = await import('../../build/embedded/container-init', { with: { type: 'file' } })
  return Bun.file(path).bytes()
}
