import type { Any } from '../../protocol/generated/google/protobuf/any.ts'

/** OCI JSON inside an Any, as containerd sends it. */
export const textOf = (any: Any | undefined): string => new TextDecoder().decode(any?.value)
