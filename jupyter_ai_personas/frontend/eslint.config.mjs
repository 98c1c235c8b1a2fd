import js from '@eslint/js';
import hooks from 'eslint-plugin-react-hooks';
import ts from 'typescript-eslint';

export default ts.config(
  js.configs.recommended,
  ts.configs.strictTypeChecked,
  ts.configs.stylisticTypeChecked,
  hooks.configs['recommended-latest'],
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      // A token and its interface have the same name.
      '@typescript-eslint/no-redeclare': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }]
    }
  },
  {
    // `test` returns a promise that the runner awaits.
    files: ['tests/**'],
    rules: { '@typescript-eslint/no-floating-promises': 'off' }
  }
);
