"use strict";(self.rspackChunkjupyter_ai_personas=self.rspackChunkjupyter_ai_personas||[]).push([[1],{26(e,t,o){var r=o(24),n=o.n(r),a=o(25),s=(o.n(a))()(n());s.push([e.id,`/* Colours come from the theme's variables, so that dark themes need nothing of their own. */

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
`,""]),o.d(t,{},{A:s})},23(e,t,o){var r=o(24),n=o.n(r),a=o(25),s=o.n(a),i=o(26),p=s()(n());p.i(i.A),p.push([e.id,`
`,""]),o.d(t,{},{A:p})},25(e){e.exports=function(e){var t=[];return t.toString=function(){return this.map(function(t){var o="",r=void 0!==t[5];return t[4]&&(o+="@supports (".concat(t[4],") {")),t[2]&&(o+="@media ".concat(t[2]," {")),r&&(o+="@layer".concat(t[5].length>0?" ".concat(t[5]):""," {")),o+=e(t),r&&(o+="}"),t[2]&&(o+="}"),t[4]&&(o+="}"),o}).join("")},t.i=function(e,o,r,n,a){"string"==typeof e&&(e=[[null,e,void 0]]);var s={};if(r)for(var i=0;i<this.length;i++){var p=this[i][0];null!=p&&(s[p]=!0)}for(var c=0;c<e.length;c++){var u=[].concat(e[c]);r&&s[u[0]]||(void 0!==a&&(void 0===u[5]||(u[1]="@layer".concat(u[5].length>0?" ".concat(u[5]):""," {").concat(u[1],"}")),u[5]=a),o&&(u[2]&&(u[1]="@media ".concat(u[2]," {").concat(u[1],"}")),u[2]=o),n&&(u[4]?(u[1]="@supports (".concat(u[4],") {").concat(u[1],"}"),u[4]=n):u[4]="".concat(n)),t.push(u))}},t}},24(e){e.exports=function(e){return e[1]}},17(e){var t=[];function o(e){for(var o=-1,r=0;r<t.length;r++)if(t[r].identifier===e){o=r;break}return o}function r(e,r){for(var n={},a=[],s=0;s<e.length;s++){var i=e[s],p=r.base?i[0]+r.base:i[0],c=n[p]||0,u="".concat(p," ").concat(c);n[p]=c+1;var l=o(u),d={css:i[1],media:i[2],sourceMap:i[3],supports:i[4],layer:i[5]};if(-1!==l)t[l].references++,t[l].updater(d);else{var f=function(e,t){var o=t.domAPI(t);return o.update(e),function(t){t?(t.css!==e.css||t.media!==e.media||t.sourceMap!==e.sourceMap||t.supports!==e.supports||t.layer!==e.layer)&&o.update(e=t):o.remove()}}(d,r);r.byIndex=s,t.splice(s,0,{identifier:u,updater:f,references:1})}a.push(u)}return a}e.exports=function(e,n){var a=r(e=e||[],n=n||{});return function(e){e=e||[];for(var s=0;s<a.length;s++){var i=o(a[s]);t[i].references--}for(var p=r(e,n),c=0;c<a.length;c++){var u=o(a[c]);0===t[u].references&&(t[u].updater(),t.splice(u,1))}a=p}}},19(e){var t={};e.exports=function(e,o){var r=function(e){if(void 0===t[e]){var o=document.querySelector(e);if(window.HTMLIFrameElement&&o instanceof window.HTMLIFrameElement)try{o=o.contentDocument.head}catch(e){o=null}t[e]=o}return t[e]}(e);if(!r)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");r.appendChild(o)}},21(e){e.exports=function(e){var t=document.createElement("style");return e.setAttributes(t,e.attributes),e.insert(t,e.options),t}},20(e,t,o){e.exports=function(e){var t=o.nc;t&&e.setAttribute("nonce",t)}},18(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var t=e.insertStyleElement(e);return{update:function(o){var r,n,a;r="",o.supports&&(r+="@supports (".concat(o.supports,") {")),o.media&&(r+="@media ".concat(o.media," {")),(n=void 0!==o.layer)&&(r+="@layer".concat(o.layer.length>0?" ".concat(o.layer):""," {")),r+=o.css,n&&(r+="}"),o.media&&(r+="}"),o.supports&&(r+="}"),(a=o.sourceMap)&&"u">typeof btoa&&(r+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),e.styleTagTransform(r,t,e.options)},remove:function(){var e;null===(e=t).parentNode||e.parentNode.removeChild(e)}}}},22(e){e.exports=function(e,t){if(t.styleSheet)t.styleSheet.cssText=e;else{for(;t.firstChild;)t.removeChild(t.firstChild);t.appendChild(document.createTextNode(e))}}},16(e,t,o){var r=o(17),n=o.n(r),a=o(18),s=o.n(a),i=o(19),p=o.n(i),c=o(20),u=o.n(c),l=o(21),d=o.n(l),f=o(22),v=o.n(f),h=o(23),m={};m.styleTagTransform=v(),m.setAttributes=u(),m.insert=p().bind(null,"head"),m.domAPI=s(),m.insertStyleElement=d(),n()(h.A,m),h.A&&h.A.locals&&h.A.locals}}]);