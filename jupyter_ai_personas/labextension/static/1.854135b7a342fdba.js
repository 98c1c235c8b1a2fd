"use strict";(self.rspackChunkjupyter_ai_personas=self.rspackChunkjupyter_ai_personas||[]).push([[1],{27(r,o,e){var n=e(25),a=e.n(n),t=e(26),p=(e.n(t))()(a());p.push([r.id,`/* Colours come from the theme's variables, so that dark themes need nothing of their own. */

.jp-personas-footer {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 4px 12px;
  color: var(--jp-ui-font-color2);
  font-size: var(--jp-ui-font-size1);
}

.jp-personas-footer:empty {
  display: none;
}

.jp-personas-button {
  display: inline-flex;
  align-items: center;
  gap: 4px;
  padding: 2px 8px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  font: inherit;
  cursor: pointer;
}

.jp-personas-button:hover:not(:disabled) {
  background: var(--jp-layout-color2);
}

.jp-personas-button:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: 1px;
}

.jp-personas-button:disabled {
  cursor: default;
  opacity: 0.6;
}

.jp-personas-button span {
  display: inline-flex;
}

.jp-personas-stop-group {
  display: inline-flex;
  gap: 1px;
}

.jp-personas-stop-group .jp-personas-stop-menu {
  width: auto;
  min-width: 18px;
  padding: 0 1px;
}

/* Icons take the colour of the toolbar's other icons. */
.jp-personas-stop-group svg .jp-icon3[fill],
.jp-personas-stop-group svg [fill] {
  fill: currentcolor;
}

.jp-personas-stop-group button > span {
  display: inline-flex;
}

/* Read aloud, not shown. */
.jp-personas-announcer {
  position: absolute;
  overflow: hidden;
  width: 1px;
  height: 1px;
  clip-path: inset(50%);
  white-space: nowrap;
}

/* A call of a tool that people are asked about. */

.jp-personas-card {
  box-sizing: border-box;
  margin: 4px 0;
  padding: 8px 12px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
}

.jp-personas-card[data-open='true'] {
  border-left: 4px solid var(--jp-warn-color1);
}

.jp-personas-card:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
}

.jp-personas-card p {
  margin: 4px 0;
}

.jp-personas-card .jp-RenderedMarkdown {
  padding-right: 0;
}

.jp-personas-card pre {
  max-height: 24em;
  overflow: auto;
}

.jp-personas-choice,
.jp-personas-deny {
  display: flex;
  flex-wrap: wrap;
  gap: 6px;
}

.jp-personas-choice {
  margin-top: 8px;
  font-size: var(--jp-ui-font-size1);
}

.jp-personas-approve {
  border-color: var(--jp-brand-color1);
  background: var(--jp-brand-color1);
  color: var(--jp-ui-inverse-font-color1);
}

.jp-personas-approve:hover:not(:disabled) {
  background: var(--jp-brand-color0);
}

.jp-personas-deny input,
.jp-personas-panel select {
  box-sizing: border-box;
  min-width: 0;
  padding: 2px 6px;
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  background: var(--jp-input-background);
  color: var(--jp-ui-font-color1);
  font: inherit;
}

.jp-personas-problem {
  color: var(--jp-error-color1);
}

.jp-personas-problem:empty {
  display: none;
}
`,""]),e.d(o,{},{A:p})},24(r,o,e){var n=e(25),a=e.n(n),t=e(26),p=e.n(t),s=e(27),i=p()(a());i.i(s.A),i.push([r.id,`
`,""]),e.d(o,{},{A:i})},26(r){r.exports=function(r){var o=[];return o.toString=function(){return this.map(function(o){var e="",n=void 0!==o[5];return o[4]&&(e+="@supports (".concat(o[4],") {")),o[2]&&(e+="@media ".concat(o[2]," {")),n&&(e+="@layer".concat(o[5].length>0?" ".concat(o[5]):""," {")),e+=r(o),n&&(e+="}"),o[2]&&(e+="}"),o[4]&&(e+="}"),e}).join("")},o.i=function(r,e,n,a,t){"string"==typeof r&&(r=[[null,r,void 0]]);var p={};if(n)for(var s=0;s<this.length;s++){var i=this[s][0];null!=i&&(p[i]=!0)}for(var c=0;c<r.length;c++){var l=[].concat(r[c]);n&&p[l[0]]||(void 0!==t&&(void 0===l[5]||(l[1]="@layer".concat(l[5].length>0?" ".concat(l[5]):""," {").concat(l[1],"}")),l[5]=t),e&&(l[2]&&(l[1]="@media ".concat(l[2]," {").concat(l[1],"}")),l[2]=e),a&&(l[4]?(l[1]="@supports (".concat(l[4],") {").concat(l[1],"}"),l[4]=a):l[4]="".concat(a)),o.push(l))}},o}},25(r){r.exports=function(r){return r[1]}},18(r){var o=[];function e(r){for(var e=-1,n=0;n<o.length;n++)if(o[n].identifier===r){e=n;break}return e}function n(r,n){for(var a={},t=[],p=0;p<r.length;p++){var s=r[p],i=n.base?s[0]+n.base:s[0],c=a[i]||0,l="".concat(i," ").concat(c);a[i]=c+1;var d=e(l),u={css:s[1],media:s[2],sourceMap:s[3],supports:s[4],layer:s[5]};if(-1!==d)o[d].references++,o[d].updater(u);else{var f=function(r,o){var e=o.domAPI(o);return e.update(r),function(o){o?(o.css!==r.css||o.media!==r.media||o.sourceMap!==r.sourceMap||o.supports!==r.supports||o.layer!==r.layer)&&e.update(r=o):e.remove()}}(u,n);n.byIndex=p,o.splice(p,0,{identifier:l,updater:f,references:1})}t.push(l)}return t}r.exports=function(r,a){var t=n(r=r||[],a=a||{});return function(r){r=r||[];for(var p=0;p<t.length;p++){var s=e(t[p]);o[s].references--}for(var i=n(r,a),c=0;c<t.length;c++){var l=e(t[c]);0===o[l].references&&(o[l].updater(),o.splice(l,1))}t=i}}},20(r){var o={};r.exports=function(r,e){var n=function(r){if(void 0===o[r]){var e=document.querySelector(r);if(window.HTMLIFrameElement&&e instanceof window.HTMLIFrameElement)try{e=e.contentDocument.head}catch(r){e=null}o[r]=e}return o[r]}(r);if(!n)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");n.appendChild(e)}},22(r){r.exports=function(r){var o=document.createElement("style");return r.setAttributes(o,r.attributes),r.insert(o,r.options),o}},21(r,o,e){r.exports=function(r){var o=e.nc;o&&r.setAttribute("nonce",o)}},19(r){r.exports=function(r){if("u"<typeof document)return{update:function(){},remove:function(){}};var o=r.insertStyleElement(r);return{update:function(e){var n,a,t;n="",e.supports&&(n+="@supports (".concat(e.supports,") {")),e.media&&(n+="@media ".concat(e.media," {")),(a=void 0!==e.layer)&&(n+="@layer".concat(e.layer.length>0?" ".concat(e.layer):""," {")),n+=e.css,a&&(n+="}"),e.media&&(n+="}"),e.supports&&(n+="}"),(t=e.sourceMap)&&"u">typeof btoa&&(n+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(t))))," */")),r.styleTagTransform(n,o,r.options)},remove:function(){var r;null===(r=o).parentNode||r.parentNode.removeChild(r)}}}},23(r){r.exports=function(r,o){if(o.styleSheet)o.styleSheet.cssText=r;else{for(;o.firstChild;)o.removeChild(o.firstChild);o.appendChild(document.createTextNode(r))}}},17(r,o,e){var n=e(18),a=e.n(n),t=e(19),p=e.n(t),s=e(20),i=e.n(s),c=e(21),l=e.n(c),d=e(22),u=e.n(d),f=e(23),v=e.n(f),h=e(24),b={};b.styleTagTransform=v(),b.setAttributes=l(),b.insert=i().bind(null,"head"),b.domAPI=p(),b.insertStyleElement=u(),a()(h.A,b),h.A&&h.A.locals&&h.A.locals}}]);