import { type Broker, Encoder, type ProtocolEncoder } from './kafkajs-internals.ts';
import { readInt64 } from './record-batch-decoder.ts';

/**
 * Requests in flexible versions (KIP-482), which kafkajs does not speak: lengths are varints, one larger than what they
 * count, and every structure ends with tagged fields. The header of such a request ends with tagged fields, too, and so
 * does that of the answer; kafkajs writes and reads the headers of older versions, so both belong to the bodies here.
 */
export async function sendFlexible<T>(
  broker: Broker,
  api: { readonly apiKey: number; readonly apiVersion: number; readonly apiName: string },
  write: (encoder: ProtocolEncoder) => void,
  read: (reader: FlexibleReader) => T,
  { tagsInHeader = true }: { readonly tagsInHeader?: boolean } = {},
): Promise<T> {
  const encode = async () => {
    const encoder = new Encoder();
    noTags(encoder); // of the header
    write(encoder);
    noTags(encoder);
    return encoder;
  };
  const decode = async (raw: Buffer) => {
    const reader = new FlexibleReader(raw);
    if (tagsInHeader) reader.skipTags();
    return read(reader);
  };
  const answer = await broker.connectionPool.send({
    request: { ...api, encode },
    response: { decode, parse: async (decoded) => decoded },
  });
  return answer as T;
}

export function writeCompactArray<T>(
  encoder: ProtocolEncoder,
  values: readonly T[],
  write: (value: T, encoder: ProtocolEncoder) => void,
): void {
  encoder.writeUVarInt(values.length + 1);
  for (const value of values) {
    write(value, encoder);
    noTags(encoder);
  }
}

function noTags(encoder: ProtocolEncoder): void {
  encoder.writeInt8(0);
}

/** Reads the types of flexible versions, one after the other. */
export class FlexibleReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  int64(): number {
    this.#at += 8;
    return readInt64(this.#bytes, this.#at - 8);
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#at++);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  /** `null` is read as an empty text: nothing here tells them apart. */
  text(): string {
    const length = Math.max(0, this.varint() - 1);
    this.#at += length;
    return this.#bytes.toString('utf8', this.#at - length, this.#at);
  }

  /** Each element's own tagged fields are skipped. */
  array<T>(read: () => T): T[] {
    const values: T[] = [];
    for (let left = this.varint() - 1; left > 0; left--) {
      values.push(read());
      this.skipTags();
    }
    return values;
  }

  /** Reads tagged fields of which `onTag` takes those that it knows, from a reader of their own. */
  tags(onTag: (tag: number, field: FlexibleReader) => void): void {
    for (let left = this.varint(); left > 0; left--) {
      const tag = this.varint();
      const length = this.varint();
      onTag(tag, new FlexibleReader(this.#bytes.subarray(this.#at, this.#at + length)));
      this.#at += length;
    }
  }

  skipTags(): void {
    this.tags(() => {});
  }
}
