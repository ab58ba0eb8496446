// Sorts a table by the column whose name is pressed; without this script the tables are as the build wrote them.
for (const hint of document.querySelectorAll("[data-with-script]")) hint.hidden = false;

// The first number of a cell; text without one sorts by its letters, after all numbers.
function value(row, column) {
  const text = row.cells[column].textContent.trim().replace(/,/g, "").replace(/^−/, "-");
  const number = /^\$?-?\d/.test(text) ? parseFloat(text.replace("$", "")) : NaN;
  return { text, number };
}

function compare(one, other) {
  if (Number.isNaN(one.number) && Number.isNaN(other.number)) return one.text.localeCompare(other.text, "en");
  if (Number.isNaN(one.number)) return 1;
  if (Number.isNaN(other.number)) return -1;
  return one.number - other.number;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const keyed = [...table.tBodies[0].rows].map((row) => [value(row, column), row]);
      keyed.sort(([one], [other]) => {
        // What has no number stays at the end, whichever way.
        if (Number.isNaN(one.number) !== Number.isNaN(other.number)) return compare(one, other);
        return descending ? compare(other, one) : compare(one, other);
      });
      table.tBodies[0].append(...keyed.map(([, row]) => row));
    });
  });
}
