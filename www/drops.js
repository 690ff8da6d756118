// Files that are dropped anywhere on the page: nobody who misses a box by a finger's breadth wants the browser to open the
// file instead.

/** hooks: over(inside), busy(): nothing is taken now, files(files): perhaps none, where a folder or a piece of text was dropped. */
export function takeDrops({ over, busy, files }) {
  let depth = 0;
  const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
  addEventListener('dragenter', (event) => hasFiles(event) && over((depth += 1) > 0 && !busy()));
  addEventListener('dragleave', (event) => hasFiles(event) && over((depth -= 1) > 0 && !busy()));
  addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = busy() ? 'none' : 'copy';
  });
  addEventListener('drop', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    over(false);
    files([...event.dataTransfer.files]);
  });
}
