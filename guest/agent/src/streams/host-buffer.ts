/** The stream buffer of this guest, which all its streams use. */
import { streamBuffer } from '../system/paths.ts'
import { StreamBuffer } from './stream-buffer.ts'

export const hostBuffer = new StreamBuffer(streamBuffer)
