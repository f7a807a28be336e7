/** The files that the agent itself runs from. */

export interface OwnFile {
  readonly source: string
  /** Where the agent, started in another root, looks for it. */
  readonly destination: string
}

/**
 * All that a root needs in which a program is to be started as `name`: the program, and the libraries that its process has mapped. Of that
 * process are `executable`, what /proc/PID/exe leads to, and `maps`, the text of /proc/PID/maps (proc_pid_maps(5)).
 */
export function ownFiles(name: string, executable: string, maps: string): OwnFile[] {
  const own = here(executable)
  const libraries = mappedFiles(maps).filter((source) => source !== own)
  return [
    { source: own, destination: name },
    ...libraries.map((source) => ({ source, destination: asItIsFound(source) })),
  ]
}

function mappedFiles(maps: string): string[] {
  const names = maps.split('\n').flatMap((line) => /^(?:\S+ +){5}(\S.*)$/.exec(line)?.[1] ?? [])
  return [...new Set(names.map(here))].filter((path) => path.startsWith('/'))
}

/** The root was moved over the one that the kernel started the agent from, which has the same files. */
function here(path: string): string {
  return path.replace(/^\(unreachable\)/, '')
}

/** The program names its loader by a path of its own (x86-64 psABI). The loader finds libraries where they are. */
function asItIsFound(library: string): string {
  const loader = /\/(ld-linux-[^/]*)$/.exec(library)
  return loader === null ? library : `/lib64/${loader[1]}`
}
