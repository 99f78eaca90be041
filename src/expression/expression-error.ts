import { type ErrorOptions, TerminalError } from "../kernel/errors.ts";

/** An expression that is not valid, or has no result for the values that it was given. */
export class ExpressionError extends TerminalError {
  constructor(message: string, options: ErrorOptions = {}) {
    super("expression_failed", message, options);
  }
}
