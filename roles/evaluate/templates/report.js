// Works without: paper gets what is folded in, and an address that names an item finds it open.
const folded = () => [...document.querySelectorAll("details:not([open])")];
let opened = [];
addEventListener("beforeprint", () => { opened = folded(); opened.forEach((item) => { item.open = true; }); });
addEventListener("afterprint", () => opened.forEach((item) => { item.open = false; }));
const show = () => {
  const item = document.getElementById(location.hash.slice(1));
  if (item?.matches("details")) { item.open = true; item.scrollIntoView(); }
};
addEventListener("hashchange", show);
show();
