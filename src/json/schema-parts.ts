/** Parts that many schemas have. */
import { type SchemaOptions, type TSchema, Type } from "@sinclair/typebox";

export const Nullable = <T extends TSchema>(schema: T, options?: SchemaOptions) =>
  Type.Union([schema, Type.Null()], options);

/** One of these texts. */
export const oneOf = <const T extends readonly string[]>(values: T, options?: SchemaOptions) =>
  Type.Union(
    values.map((value) => Type.Literal<T[number]>(value)),
    options,
  );
