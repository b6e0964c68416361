/** Texts in Nest's own style: a statement, then potential solutions. */
export const emptyParameter = (place: string, position: number): string =>
  `${place}: parameter ${position} would be undefined: it has no decorator that a job can fill, and others have one.

Potential solutions:
- Put @Payload(), @Payload('field'), @Ctx() or a decorator made by createParamDecorator() on every parameter.
- Or on none: then the method gets the payload and the context.
`;

export const primitivePayload = (place: string, type: string): string =>
  `${place} takes a ${type.toLowerCase()}, and the payload of the job is an object. If it is a field of it, write @Payload('field') before the parameter.`;
