/** Directories that may have the modules of a running kernel, and their lists (modules.dep, modules.builtin): the usual one, and that of NixOS. */
export const moduleDirectories = (release: string): string[] =>
  ['/lib/modules', '/run/booted-system/kernel-modules/lib/modules'].map(
    (directory) => `${directory}/${release}`,
  )
