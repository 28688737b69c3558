// Applies the theme that was chosen before anything is drawn.
try {
  document.documentElement.dataset.theme = localStorage.getItem('mlxk-theme') ?? '';
} catch {
  // A browser that keeps nothing uses the theme of the system.
}
