/** The processor of this machine by Go's name for it, which documents of images have. */
const names: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }

export const architecture = names[process.arch] ?? process.arch
