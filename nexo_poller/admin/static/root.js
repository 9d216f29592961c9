// Where the admin app is mounted, with a slash at its end.
export const root = document.documentElement.dataset.root;
