// Dark or light: the system's choice unless the viewer made one.
export type Theme = 'system' | 'light' | 'dark';
const place = 'fallow.theme';

export function stored_theme(): Theme {
  const text = localStorage.getItem(place);
  return text === 'light' || text === 'dark' ? text : 'system';
}

export function apply_theme(theme: Theme) {
  if (theme === 'system') {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem(place);
  } else {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(place, theme);
  }
}
