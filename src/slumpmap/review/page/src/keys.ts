// Every key and what it does: the help is made of this table too.

export interface Binding {
  keys: string[];
  shown: string;
  what: string;
  run: () => void;
}
export interface Group {
  title: string;
  bindings: Binding[];
}

// A key with its modifiers, as the table writes it.
export function nameOf(event: KeyboardEvent): string {
  const key = event.key === " " ? "Space" : event.key;
  return (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + key;
}

export function listen(groups: () => Group[]): void {
  addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    const typing = target.matches("input[type=text], input[type=number], textarea, select");
    if (typing) {
      // Escape leaves a field, which keeps what was written.
      if (event.key === "Escape") target.blur();
      return;
    }
    const name = nameOf(event);
    const binding = groups()
      .flatMap((group) => group.bindings)
      .find((one) => one.keys.includes(name));
    if (!binding) return;
    event.preventDefault();
    binding.run();
  });
}
