export function report(file: string): Promise<void>;
export function figuresOf(rows: readonly object[]): string;
