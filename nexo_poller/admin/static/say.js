// One sentence to whoever looks or listens; a screen reader says it when it has finished what it is saying.

const LONG_ENOUGH = 6_000;

let timer = null;

export function say(sentence) {
  const place = document.getElementById("said");
  place.textContent = sentence;
  clearTimeout(timer);
  timer = setTimeout(() => (place.textContent = ""), LONG_ENOUGH);
}
