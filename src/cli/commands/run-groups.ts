/** The headings under which the help and the manual of `run` and `create` show options. A heading counts for the options that follow it. */
export const runGroups = {
  /** Commander's own, which has --help. */
  own: 'Options:',
  image: 'Image:',
  limits: 'Memory, processors and limits:',
  content: 'Files, variables and user:',
  network: 'Network:',
  machine: 'Machine:',
  health: 'Health check:',
  rights: 'Rights:',
} as const
