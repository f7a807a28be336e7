/** The part of a generated service description that calls need; what ts-proto makes (`outputServices=generic-definitions`) has it, too. */

/** Codec of one message type; ts-proto's `MessageFns` is one. */
export interface MessageType<T> {
  encode(message: T): { finish(): Uint8Array }
  decode(bytes: Uint8Array): T
  // biome-ignore lint/suspicious/noExplicitAny: ts-proto's parameter type is generic in its argument
  fromPartial(partial: any): T
}

export interface MethodDefinition {
  readonly name: string
  // biome-ignore lint/suspicious/noExplicitAny: any message; the exact type is inferred where it is used
  readonly requestType: MessageType<any>
  readonly requestStream: boolean
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly responseType: MessageType<any>
  readonly responseStream: boolean
}

export interface ServiceDefinition {
  /** The name on the wire, with the package: `grpc.AgentService`. */
  readonly fullName: string
  readonly methods: Readonly<Record<string, MethodDefinition>>
}

/** What `decode` of a message type gives. */
export type MessageOf<Type> = Type extends { decode(bytes: Uint8Array): infer T } ? T : never

/** A message with optional fields. A missing field has its proto3 default. */
export type Partially<T> = T extends bigint | boolean | number | string | Uint8Array | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Partially<Item>[]
    : { readonly [Key in keyof T]?: Partially<T[Key]> | undefined }
