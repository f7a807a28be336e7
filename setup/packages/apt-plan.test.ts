/** The words of apt-get 3.0.4 (Debian 13), as it said them. */
import { expect, test } from 'bun:test'
import { inTheWay, parsePlan } from './apt-plan.ts'

test('new packages, upgrades, removals and purges of a simulation', () => {
  const plan = parsePlan(`Reading package lists...
Inst libx (1:1.0-2+b1 Debian:13.7/stable [amd64])
Inst libc6 [2.41-12+deb13u3] (2.41-12+deb13u4 Debian:13.7/stable [amd64]) []
Inst libc6-dev (2.41-12+deb13u4 Debian:13.7/stable [amd64])
Remv old [1.0]
Purg older [2.0]
Conf libx (1:1.0-2+b1 Debian:13.7/stable [amd64])
`)
  expect(plan).toEqual({
    install: [
      { name: 'libx', version: '1:1.0-2+b1' },
      { name: 'libc6-dev', version: '2.41-12+deb13u4' },
    ],
    upgrade: [{ name: 'libc6', version: '2.41-12+deb13u4' }],
    remove: ['old', 'older'],
  })
})

test('what a refused installation would have removed', () => {
  const said = `Reading state information...
The following additional packages will be installed:
  runc
The following packages will be REMOVED:
  containerd.io docker-ce*
  docker-ce-rootless-extras
The following NEW packages will be installed:
  containerd runc
0 upgraded, 2 newly installed, 3 to remove and 0 not upgraded.
`
  expect(inTheWay(said)).toEqual(['containerd.io', 'docker-ce', 'docker-ce-rootless-extras'])
})

test('what declares a conflict and is on hold', () => {
  const said = `The following packages have unmet dependencies:
 containerd.io : Conflicts: containerd
`
  expect(inTheWay(said)).toEqual(['containerd.io'])
})

test('nothing is in the way of a package that apt does not know, or that lacks a dependency', () => {
  expect(inTheWay('Reading package lists...\n')).toEqual([])
  expect(
    inTheWay('The following packages have unmet dependencies:\n x : Depends: y but it is not installable\n'),
  ).toEqual([])
})
