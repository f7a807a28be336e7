import { expect, test } from 'bun:test'
import { resolve } from 'node:path'
import { mountFields, mountText, parseMounts as parse } from './mount.ts'

const parseMounts = (options: string[]) => parse(options, (name) => `/volumes/${name}`)

test('binds and tmpfs, in docker’s words and their synonyms', () => {
  expect(
    parseMounts([
      'type=bind,source=/etc,target=/host/etc,readonly',
      'type=bind,src=./src,dst=/app',
      'type=bind,src=/etc,destination=/rw,readonly=false',
      'type=volume,source=data,target=/data,readonly,volume-nocopy',
      'source=more,target=/more',
      'type=tmpfs,target=/scratch,tmpfs-size=64m,tmpfs-mode=1770',
      'type=tmpfs,dst=/plain',
      'type=bind,src=/etc,dst=/go,readonly=True,bind-propagation=rprivate,consistency=cached',
      'type=tmpfs,"dst=/with,a ""comma"""',
    ]),
  ).toEqual({
    volumes: [
      { source: '/etc', destination: '/host/etc', readonly: true },
      { source: resolve('src'), destination: '/app', readonly: false },
      { source: '/etc', destination: '/rw', readonly: false },
      { source: '/volumes/data', destination: '/data', readonly: true, name: 'data', noCopy: true },
      { source: '/volumes/more', destination: '/more', readonly: false, name: 'more' },
      { source: '/etc', destination: '/go', readonly: true },
    ],
    tmpfs: [
      { destination: '/scratch', options: ['size=67108864', 'mode=1770'] },
      { destination: '/plain', options: [] },
      { destination: '/with,a "comma"', options: [] },
    ],
  })
})

test.each([
  ['', 'type=volume with'],
  ['type=constructor,source=data,target=/data', 'type=volume or type=tmpfs'],
  ['source=data,target=/data,constructor=x', 'type=volume with'],
  ['type=npipe,source=data,target=/data', 'type=volume or type=tmpfs'],
  ['type=volume,target=/data', 'the name of a volume'],
  ['source=/etc,target=/x', 'type=bind for a path'],
  ['type=bind,source=/etc', 'target=/path'],
  ['type=bind,source=/etc,target=/x,bind-propagation=shared', 'mounts do not propagate into a machine'],
  ['type=bind,source=/etc,target="/x"', 'quotes around the whole'],
  ['type=bind,"source=/etc,target=/x', 'quotes around the whole'],
  ['type=tmpfs,type=bind,source=/etc,target=/x', 'type once'],
  ['type=bind,src=/a,source=/b,target=/x', 'source once'],
  ['type=tmpfs,target=/x,source=/etc', 'target, tmpfs-size'],
  ['type=bind,source=/etc,target=/x,readonly=perhaps', 'readonly=true'],
  ['type=tmpfs,target=/x,tmpfs-size=much', 'a size'],
  ['type=tmpfs,target=/x,tmpfs-mode=x', '/PATH'],
])('%j is refused', (text, allowed) => {
  expect(() => parseMounts([text])).toThrow(new RegExp(`OPTION_INVALID.*${allowed}`))
})

test('a source that is not there is told as for a volume', () => {
  expect(() => parseMounts(['type=bind,source=/no/such,target=/x'])).toThrow('[VOLUME_SOURCE_MISSING]')
})

test('fields are written as they are read again', () => {
  for (const text of ['type=tmpfs,dst=/x,tmpfs-size=1m', 'type=tmpfs,"dst=/a,tmpfs-mode=""7"",x"'])
    expect(mountFields(mountText(mountFields(text)))).toEqual(mountFields(text))
})
