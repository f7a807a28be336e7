/**
 * What has to follow the executable so that it runs this program: nothing where it is compiled into it, else the script that
 * Bun was started with.
 */
export const ownPrefix = (script: string): readonly string[] =>
  script.startsWith('/$bunfs/') ? [] : [script]
