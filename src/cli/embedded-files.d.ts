/** An embedded file: its path, inside the executable or on disk. tsc needs to know this before the files are built. */
declare module '*/embedded/kata-agent' {
  const path: string
  export default path
}

declare module '*/embedded/libsystemd-stub.so' {
  const path: string
  export default path
}

declare module '*/embedded/busybox' {
  const path: string
  export default path
}

declare module '*/embedded/container-init' {
  const path: string
  export default path
}
