// Does the same with many things, a few at a time.

/** Calls `work(item)` for each, at most so many at a time, in their order. `work` does not throw. */
export async function inTurn(items, most, work) {
  const rest = items.values();
  const one = async () => {
    for (const item of rest) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, one));
}
