// A loader: a style sheet as a string.
const { transformSync } = require('esbuild');

module.exports = css =>
  `export default ${JSON.stringify(transformSync(css, { loader: 'css', minify: true }).code)};`;
