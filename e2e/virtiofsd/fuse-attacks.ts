/** What the kernel of a guest may ask of virtiofsd in raw FUSE, and what it gets. Data only; the acts are those of fuse.c. */

/** goal: "to ..."; the act and its result; the control is the same request where it is meant to succeed. */
export interface FuseAttack {
  readonly goal: string
  readonly attack: string
  readonly result: string
  readonly control: string
}

const attack = (goal: string, act: string, result: string, control: string): FuseAttack => ({
  goal,
  attack: act,
  result,
  control,
})

export const fuseAttacks: readonly FuseAttack[] = [
  attack('climb out of the share by its parents', 'lookup ..:..:.. etc', 'ENOENT', 'lookup : {volume}'),
  attack('look up a path of the host', 'lookup : /etc/passwd', 'ENOENT', 'lookup : {volume}'),
  attack('look up a path that climbs', 'lookup {volume} ../../secret', 'ENOENT', 'lookup {volume} file'),
  attack('ask for a file that it never looked up', 'forged 4242', 'EBADF', 'forged 1'),
  attack('make a file beside the volumes', 'create : planted 644 0', 'EROFS', 'create {volume} made 644 0'),
  attack(
    'make one through a symlink to a directory of the host',
    'create {volume} link/planted 644 0',
    'ENOENT',
    'create {volume} made2 644 0',
  ),
  attack(
    'make a directory by a path that climbs',
    'mkdir {volume} ../planted',
    'EROFS',
    'mkdir {volume} made-too',
  ),
  attack('remove the entry of a volume', 'unlink : {volume}', 'EROFS', 'unlink {volume} made'),
  attack(
    'move a file out of its volume',
    'rename {volume} file : file',
    'EXDEV',
    'rename {volume} made2 {volume} made3',
  ),
  attack(
    'link a file into another volume',
    'link {volume}:file {frozen} file2',
    'EROFS',
    'link {volume}:file {volume} file2',
  ),
  attack('write to a read-only volume', 'write {frozen}:file', 'EROFS', 'write {volume}:file'),
  attack(
    'make a file in a read-only volume',
    'create {frozen} planted 644 0',
    'EROFS',
    'create {volume} made4 644 0',
  ),
  attack(
    'change a mode in a read-only volume',
    'chmod {frozen}:file 600',
    'EROFS',
    'chmod {volume}:file 600',
  ),
  attack(
    'read through a symlink of its own to a file of the host',
    'read {volume}:link',
    'EBADF',
    'read {volume}:file',
  ),
  attack('walk through one', 'lookup {volume}:link passwd', 'ENOTDIR', 'lookup {volume}:directory .'),
  attack(
    'make the node of a device',
    'mknod {volume} null 20666 0x103',
    'EPERM',
    'mknod {volume} plain 100644 0',
  ),
  attack('open the node of a device', 'read {volume}:zero', 'EBADF', 'read {volume}:plain'),
  attack('hold the daemon up in a FIFO', 'read {volume}:fifo', 'EBADF', 'read {volume}:plain'),
  attack(
    'make a file of a user without a place',
    'create {volume} beyond 644 3000000001',
    'EINVAL',
    'create {volume} made5 644 4294967294',
  ),
  attack(
    'give a file to such a user',
    'chown {volume}:file 3000000001',
    'EINVAL',
    'chown {volume}:file 4294967294',
  ),
  attack('send an opcode that there is not', 'opcode 9999', 'ENOSYS', 'opcode 17'),
]

/** Where `virtio_fs_nosuid` is on, each is EPERM; the control is the same without it. */
export const setIdActs: readonly (readonly [goal: string, act: string])[] = [
  ['give a file the set-user-id bit', 'chmod {volume}:program 4755'],
  ['give a file the set-group-id bit', 'chmod {volume}:program 2755'],
  ['make a file with it', 'create {volume} set-id 4755 0'],
  ['make one as a node', 'mknod {volume} set-id-too 104755 0'],
  ['give a program capabilities', 'capability {volume}:program'],
]

/** Requests that are none, what they get, and what the next one gets on that connection. */
export const malformed: readonly (readonly [act: string, result: string, next: string])[] = [
  ['length 4096', 'ETIMEDOUT', 'ETIMEDOUT'],
  ['length 8', 'ETIMEDOUT', 'ETIMEDOUT'],
  ['length 0xffffffff', 'ENOMEM', 'ok'],
  ['answer-at 0x7fffffffffff', 'ETIMEDOUT', 'ETIMEDOUT'],
]
