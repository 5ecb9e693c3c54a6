// A document for a library that writes style sheets and style attributes, which the console's policy
// (`style-src 'self'`) refuses from anybody. What it writes is handed on in the two ways that script may
// style by: sheets of the document, and the style objects of elements.

export interface StyledDocument {
  document: Document;
  drop: () => void; // its sheets go with it
}

// For good, since the library makes its rows by the page's own document: a span's style attribute becomes
// its style object, which means the same.
function style_spans_by_object() {
  const set = Element.prototype.setAttribute;
  HTMLSpanElement.prototype.setAttribute = function (name: string, value: string) {
    if (name === 'style') this.style.cssText = value;
    else set.call(this, name, value);
  };
}

let spans_are_styled = false;

export function styled_document(): StyledDocument {
  if (!spans_are_styled) style_spans_by_object();
  spans_are_styled = true;
  const sheets: CSSStyleSheet[] = [];

  // Stands where the style element would; what is written into it becomes a sheet of the document.
  const sheet_holder = () => {
    const sheet = new CSSStyleSheet();
    sheets.push(sheet);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    const holder = document.createElement('template');
    Object.defineProperty(holder, 'textContent', { set: (rules: string) => sheet.replaceSync(rules) });
    return holder;
  };
  const create = (name: string) => (name === 'style' ? sheet_holder() : document.createElement(name));

  return {
    document: new Proxy(document, {
      get: (target, name) => {
        if (name === 'createElement') return create;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    }),
    drop: () => {
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => !sheets.includes(sheet));
    },
  };
}
