import { DOMParser, type Document, type Element, XMLSerializer } from '@xmldom/xmldom';
import { DataError, messageOf } from '../common/errors.js';

const RDF = 'http://www.w3.org/1999/02/22-rdf-syntax-ns#';
const DC = 'http://purl.org/dc/elements/1.1/';
const XML = 'http://www.w3.org/XML/1998/namespace';
const XMLNS = 'http://www.w3.org/2000/xmlns/';

const EMPTY = `<?xpacket begin="\uFEFF" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="${RDF}">
  <rdf:Description rdf:about="" xmlns:dc="${DC}"/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
`;

/**
 * An XMP packet whose description, dc:description, can be read and replaced; all else stays as it is.
 * Source: ISO 16684-1, 7.9.2.5 (RDF's alternatives by language) and 8.3 (Dublin Core).
 */
export class XmpDocument {
  readonly #document: Document;
  readonly #resource: Element;

  private constructor(document: Document, resource: Element) {
    this.#document = document;
    this.#resource = resource;
  }

  static empty(): XmpDocument {
    return XmpDocument.parse(EMPTY, 'a new sidecar');
  }

  /** @throws DataError for what is not XML, or has no rdf:Description */
  static parse(text: string, where: string): XmpDocument {
    let document: Document;
    let fault: string | undefined; // as it is told: what is thrown has the parser's words around it
    const onError = (level: string, message: string) => {
      if (level === 'warning') return;
      fault ??= message;
      throw new SyntaxError(message);
    };
    try {
      document = new DOMParser({ onError }).parseFromString(text.trim(), 'text/xml');
    } catch (cause) {
      throw new DataError('an XMP sidecar is not XML', {
        where,
        found: (fault ?? messageOf(cause)).split('\n')[0],
        help: 'correct it, or move it away: it is left unchanged',
        cause,
      });
    }
    // Deeper ones describe parts of the image, or where it comes from.
    const resources = [...document.getElementsByTagNameNS(RDF, 'Description')].filter(
      ({ parentNode }) => parentNode?.namespaceURI === RDF && parentNode.localName === 'RDF',
    );
    const described = resources.find((one) => childOf(one, DC, 'description') ?? attributeOf(one));
    const resource = described ?? resources[0];
    if (resource) return new XmpDocument(document, resource);
    throw new DataError('an XMP sidecar describes nothing', {
      where,
      found: `<${document.documentElement?.tagName}> without rdf:Description`,
      help: 'correct it, or move it away: it is left unchanged',
    });
  }

  /** The description in the default language; undefined where there is none. Blanks around it do not count. */
  get description(): string | undefined {
    const property = childOf(this.#resource, DC, 'description');
    const text = property
      ? (defaultOf(property) ?? property).textContent
      : attributeOf(this.#resource)?.nodeValue;
    return text?.trim() || undefined;
  }

  /** Descriptions in named languages stay. */
  set description(text: string) {
    const attribute = attributeOf(this.#resource);
    if (attribute) this.#resource.removeAttributeNode(attribute);
    const property =
      childOf(this.#resource, DC, 'description') ?? this.#append(this.#resource, DC, 'description', 3);
    let alternatives = childOf(property, RDF, 'Alt');
    if (!alternatives) {
      // Of a plain text, which some programs write, the new one takes the place.
      property.textContent = '';
      alternatives = this.#append(property, RDF, 'Alt', 4);
    }
    const first = defaultOf(alternatives) ?? this.#append(alternatives, RDF, 'li', 5);
    // The default is the first one (ISO 16684-1, 8.2.2.4).
    const [leading] = elementsOf(alternatives);
    if (leading !== first) alternatives.insertBefore(first, leading);
    first.setAttributeNS(XML, 'xml:lang', 'x-default');
    first.textContent = text.replace(NOT_XML, '');
  }

  /** In UTF-8, whatever it was read from. */
  toString(): string {
    const text = new XMLSerializer().serializeToString(this.#document).trimEnd();
    return `${text.replace(/^(<\?xml[^>]*encoding=["'])[^"']*/, '$1UTF-8')}\n`;
  }

  /** A new last child, on a line of its own. */
  #append(parent: Element, namespace: string, name: string, depth: number): Element {
    const usual = namespace === DC ? 'dc' : 'rdf';
    const prefix = parent.lookupPrefix(namespace) ?? usual;
    const element = this.#document.createElementNS(namespace, `${prefix}:${name}`);
    if (parent.lookupNamespaceURI(prefix) !== namespace) {
      element.setAttributeNS(XMLNS, `xmlns:${prefix}`, namespace);
    }
    const line = (blanks: number) => this.#document.createTextNode(`\n${' '.repeat(blanks)}`);
    // What ends the parent's line already goes before the new child.
    if (parent.lastChild?.nodeType === TEXT_NODE && !parent.lastChild.nodeValue?.trim()) {
      parent.removeChild(parent.lastChild);
    }
    parent.appendChild(line(depth));
    parent.appendChild(element);
    parent.appendChild(line(depth - 1));
    return element;
  }
}

const ELEMENT_NODE = 1;
const TEXT_NODE = 3;

/** Characters that XML 1.0 cannot have, not even escaped. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const NOT_XML = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

const elementsOf = (parent: Element): Element[] =>
  [...parent.childNodes].filter((node): node is Element => node.nodeType === ELEMENT_NODE);

const childOf = (parent: Element, namespace: string, name: string): Element | undefined =>
  elementsOf(parent).find((one) => one.namespaceURI === namespace && one.localName === name);

/** dc:description as an attribute, as RDF abbreviates plain texts. */
const attributeOf = (resource: Element) => resource.getAttributeNodeNS(DC, 'description');

/** The alternative in the default language. */
const defaultOf = (property: Element): Element | undefined =>
  [...property.getElementsByTagNameNS(RDF, 'li')].find(
    (item) => (item.getAttributeNS(XML, 'lang') ?? 'x-default').toLowerCase() === 'x-default',
  );
