// The builder's own loaders for style sheets would be a tenth of the bundle.
import css from '!!../minify-css.js!./base.css';

const sheet = document.createElement('style');
sheet.textContent = css;
document.head.append(sheet);
