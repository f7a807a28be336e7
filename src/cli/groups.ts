/** Under which heading the help and the manual show a command. */

const groups: Readonly<Record<string, readonly string[]>> = {
  'Run containers:': [
    ...[
      'run',
      'create',
      'exec',
      'attach',
      'start',
      'stop',
      'restart',
      'kill',
      'wait',
      'pause',
      'unpause',
      'suspend',
      'resume',
      'fork',
      'snapshot',
      'update',
      'rename',
      'rm',
      'cp',
    ],
  ],
  'Look at containers:': ['ps', 'logs', 'top', 'stats', 'inspect', 'port', 'events', 'diff', 'export'],
  'Images, volumes and networks:': [
    ...['pull', 'images', 'rmi', 'tag', 'history', 'save', 'load', 'commit', 'import'],
    ...['prune', 'volume', 'network', 'direct-volume'],
  ],
  'This host:': ['check', 'env', 'info', 'system', 'config', 'guest', 'factory', 'audit', 'gc', 'service'],
  'About kata-ts:': ['version', 'completion', 'help'],
}

/** The heading, with its colon; a command that is in no group has one for such. */
export function groupOf(name: string): string {
  return Object.entries(groups).find(([, names]) => names.includes(name))?.[0] ?? 'Further commands:'
}

/** The headings in the order of the help. */
export const groupOrder: readonly string[] = [...Object.keys(groups), 'Further commands:']
