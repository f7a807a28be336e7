/** The walls around a pod of which a start says that they are off: for scripts, and short enough for a column. */
export const wallNames = [
  'rootless',
  'seccomp',
  'vmm-seccomp',
  'kvm',
  'virtiofsd',
  'suid-volumes',
  'landlock',
] as const

export type WallName = (typeof wallNames)[number]
