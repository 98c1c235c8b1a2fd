"use strict";(self.rspackChunkjupyter_ai_personas=self.rspackChunkjupyter_ai_personas||[]).push([[1],{26(e,t,r){var o=r(24),n=r.n(o),a=r(25),s=(r.n(a))()(n());s.push([e.id,`/* Colours come from the theme's variables, so that dark themes need nothing of their own. */

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
`,""]),r.d(t,{},{A:s})},23(e,t,r){var o=r(24),n=r.n(o),a=r(25),s=r.n(a),i=r(26),p=s()(n());p.i(i.A),p.push([e.id,`
`,""]),r.d(t,{},{A:p})},25(e){e.exports=function(e){var t=[];return t.toString=function(){return this.map(function(t){var r="",o=void 0!==t[5];return t[4]&&(r+="@supports (".concat(t[4],") {")),t[2]&&(r+="@media ".concat(t[2]," {")),o&&(r+="@layer".concat(t[5].length>0?" ".concat(t[5]):""," {")),r+=e(t),o&&(r+="}"),t[2]&&(r+="}"),t[4]&&(r+="}"),r}).join("")},t.i=function(e,r,o,n,a){"string"==typeof e&&(e=[[null,e,void 0]]);var s={};if(o)for(var i=0;i<this.length;i++){var p=this[i][0];null!=p&&(s[p]=!0)}for(var c=0;c<e.length;c++){var u=[].concat(e[c]);o&&s[u[0]]||(void 0!==a&&(void 0===u[5]||(u[1]="@layer".concat(u[5].length>0?" ".concat(u[5]):""," {").concat(u[1],"}")),u[5]=a),r&&(u[2]&&(u[1]="@media ".concat(u[2]," {").concat(u[1],"}")),u[2]=r),n&&(u[4]?(u[1]="@supports (".concat(u[4],") {").concat(u[1],"}"),u[4]=n):u[4]="".concat(n)),t.push(u))}},t}},24(e){e.exports=function(e){return e[1]}},17(e){var t=[];function r(e){for(var r=-1,o=0;o<t.length;o++)if(t[o].identifier===e){r=o;break}return r}function o(e,o){for(var n={},a=[],s=0;s<e.length;s++){var i=e[s],p=o.base?i[0]+o.base:i[0],c=n[p]||0,u="".concat(p," ").concat(c);n[p]=c+1;var l=r(u),d={css:i[1],media:i[2],sourceMap:i[3],supports:i[4],layer:i[5]};if(-1!==l)t[l].references++,t[l].updater(d);else{var f=function(e,t){var r=t.domAPI(t);return r.update(e),function(t){t?(t.css!==e.css||t.media!==e.media||t.sourceMap!==e.sourceMap||t.supports!==e.supports||t.layer!==e.layer)&&r.update(e=t):r.remove()}}(d,o);o.byIndex=s,t.splice(s,0,{identifier:u,updater:f,references:1})}a.push(u)}return a}e.exports=function(e,n){var a=o(e=e||[],n=n||{});return function(e){e=e||[];for(var s=0;s<a.length;s++){var i=r(a[s]);t[i].references--}for(var p=o(e,n),c=0;c<a.length;c++){var u=r(a[c]);0===t[u].references&&(t[u].updater(),t.splice(u,1))}a=p}}},19(e){var t={};e.exports=function(e,r){var o=function(e){if(void 0===t[e]){var r=document.querySelector(e);if(window.HTMLIFrameElement&&r instanceof window.HTMLIFrameElement)try{r=r.contentDocument.head}catch(e){r=null}t[e]=r}return t[e]}(e);if(!o)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");o.appendChild(r)}},21(e){e.exports=function(e){var t=document.createElement("style");return e.setAttributes(t,e.attributes),e.insert(t,e.options),t}},20(e,t,r){e.exports=function(e){var t=r.nc;t&&e.setAttribute("nonce",t)}},18(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var t=e.insertStyleElement(e);return{update:function(r){var o,n,a;o="",r.supports&&(o+="@supports (".concat(r.supports,") {")),r.media&&(o+="@media ".concat(r.media," {")),(n=void 0!==r.layer)&&(o+="@layer".concat(r.layer.length>0?" ".concat(r.layer):""," {")),o+=r.css,n&&(o+="}"),r.media&&(o+="}"),r.supports&&(o+="}"),(a=r.sourceMap)&&"u">typeof btoa&&(o+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(a))))," */")),e.styleTagTransform(o,t,e.options)},remove:function(){var e;null===(e=t).parentNode||e.parentNode.removeChild(e)}}}},22(e){e.exports=function(e,t){if(t.styleSheet)t.styleSheet.cssText=e;else{for(;t.firstChild;)t.removeChild(t.firstChild);t.appendChild(document.createTextNode(e))}}},16(e,t,r){var o=r(17),n=r.n(o),a=r(18),s=r.n(a),i=r(19),p=r.n(i),c=r(20),u=r.n(c),l=r(21),d=r.n(l),f=r(22),v=r.n(f),h=r(23),m={};m.styleTagTransform=v(),m.setAttributes=u(),m.insert=p().bind(null,"head"),m.domAPI=s(),m.insertStyleElement=d(),n()(h.A,m),h.A&&h.A.locals&&h.A.locals}}]);