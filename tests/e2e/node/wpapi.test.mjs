// wpapi, which finds a site's API and its routes by itself, against the demo shop.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import WPAPI from 'wpapi';

const { SITE, LOGIN, SECRET } = process.env;
const found = await WPAPI.discover( SITE );
const shop = found.namespace( 'fluent-cart/v2' );
const signedIn = ( request ) => request.auth( { username: LOGIN, password: SECRET } );
const customers = () => signedIn( shop.customers() );

test( 'the API is found from the address of the site', async () => {
	const index = await found.root().get();
	assert.equal( index.url, SITE );
	assert.ok( index.namespaces.includes( 'fluent-cart/v2' ) );
	assert.equal( customers().customerId( 1 ).toString(), `${ SITE }/wp-json/fluent-cart/v2/customers/1` );
} );

test( 'a list, page by page', async () => {
	let page = await customers().perPage( 20 ).param( '_fields', 'id' ).get();
	const { total, totalPages } = page._paging;
	const seen = page.data.customers.map( ( { id } ) => id );
	while ( page._paging.next ) {
		page = await signedIn( page._paging.next ).get();
		seen.push( ...page.data.customers.map( ( { id } ) => id ) );
	}
	assert.equal( Number( totalPages ), Math.ceil( total / 20 ) );
	assert.equal( new Set( seen ).size, Number( total ) );
	assert.deepEqual( Object.keys( page.data.customers[ 0 ] ), [ 'id' ] );
} );

test( 'create, read, update', async () => {
	const { data } = await customers().create( { email: 'wpapi@example.com', first_name: 'Ann' } );
	const one = customers().customerId( data.customer.id );
	const changed = await one.update( { last_name: 'Lee' } );
	assert.equal( changed.data.customer.last_name, 'Lee' );
	const read = await customers().customerId( data.customer.id ).get();
	assert.equal( read.data.customer.email, 'wpapi@example.com' );
} );

test( 'lists within lists', async () => {
	const filtered = await customers().param( 'filters[status]', 'inactive' ).get();
	assert.ok( filtered.data.customers.every( ( { status } ) => status === 'inactive' ) );
	const orders = await customers().customerId( 1 ).orders().perPage( 1 ).get();
	assert.equal( orders.data.orders.length, 1 );
	assert.ok( Number( orders._paging.total ) > 1 );
} );

test( 'errors', async () => {
	await assert.rejects( customers().customerId( 999999 ).get(), {
		code: 'customer_not_found',
		data: { status: 404 },
	} );
	await assert.rejects( shop.customers().get(), { code: 'authentication_required' } );
} );

test( 'who one is', async () => {
	const me = await signedIn( found.namespace( 'wp/v2' ).users().me() ).get();
	assert.deepEqual( [ me.slug, me.roles ], [ LOGIN, undefined ] );
} );
